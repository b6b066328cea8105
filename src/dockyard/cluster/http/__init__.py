"""The API server's face on the wire: paths, media types, streams; every verb is the Api's."""
