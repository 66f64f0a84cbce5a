"""`cachelayer demo`: a real application over real data, asked by many, first without the cache and then with it.

`airports` loads the data, `queries` asks it, `app` is the application: the only module that uses cachelayer, as any
application would. `traffic` makes up who asks for what, `serving` and `sending` bring both together over HTTP,
`report` computes what came of it and `tables` shows it; `run` is the whole in order.
"""
