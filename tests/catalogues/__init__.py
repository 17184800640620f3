"""The sentences that people read, and their translations: `locale/*/LC_MESSAGES/django.po`."""
