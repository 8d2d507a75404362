"""A conformance suite for the backup and restore endpoints of the WhatsApp Business API client."""

__version__ = "0.1.0"
