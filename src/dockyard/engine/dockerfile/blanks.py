"""What Go takes for white space, which is not what Python does."""

import re

# unicode.IsSpace: at the ends of lines, and between quoted words.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# The few that divide an instruction from its arguments, and plain arguments from one another.
BLANKS = re.compile("[\t\v\f\r ]+")
