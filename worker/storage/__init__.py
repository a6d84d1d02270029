"""The files under a storage root: the books, its marker, which deployment works on it, and which stages are open.

It needs no broker, but for `root_owner`. It may import `config`, `stages` and `pages`; `pipeline`, `reconciler`,
`deployment` and `producer` import it.
"""
