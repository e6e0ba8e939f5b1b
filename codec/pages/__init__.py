"""Pages of HTML for people: what a .ppyr file holds, and how codecs compare.

A page is one file: its style, pictures and charts are in it, it has no script and fetches nothing.
"""
