"""Master secrets for tests: the base64 of 32 bytes that look random enough."""

import base64

SECRET_A, SECRET_B, SECRET_C = (
    base64.b64encode(bytes((number * 37 + offset) % 256 for number in range(32))).decode() for offset in (1, 2, 3)
)
