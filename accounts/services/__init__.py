"""Writing people, and the decision whether somebody is who they say."""
