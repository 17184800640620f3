"""OAuth 2.1 and OpenID Connect: clients, grants, and the tokens that come of them."""
