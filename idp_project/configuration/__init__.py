"""Realms with their rings' policies, clients and upstreams as one document, and how a database comes to be like it.

`document` reads and writes it, `difference` decides what is to be done, `applying` does it.
"""
