"""Who may do what: users and their tokens, RBAC's decision, and the roles that every cluster begins with."""

from dockyard.cluster.access.attributes import Attributes, forbidden
from dockyard.cluster.access.rbac import Authorizer, Decision
from dockyard.cluster.access.user import ANONYMOUS, User

__all__ = ["ANONYMOUS", "Attributes", "Authorizer", "Decision", "User", "forbidden"]
