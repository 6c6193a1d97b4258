"""What Linux offers and Python does not wrap.

threads.py       work beside the loop, also where hardly any thread is left
"""
