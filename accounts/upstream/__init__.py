"""Sign-in with another OpenID provider: what is asked of it, what it says, and how much of that is believed."""
