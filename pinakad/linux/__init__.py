"""What Linux offers and Python does not wrap.

access_list.py   who else may use a file by its access control list (acl(5))
"""
