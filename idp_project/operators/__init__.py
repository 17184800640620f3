"""The operators' site: Django's admin, which asks whoever signs in for a second factor too."""
