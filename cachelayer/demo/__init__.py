"""`cachelayer demo`: a real application over real data, asked for the same without the cache and with it.

`app` is the application, and the only module that uses cachelayer, as any application would; `queries` is what it asks
its `database`, and `airports` what is in there. `traffic` makes up who asks for what, `serving` and `sending` bring
both together over HTTP, and `comparison` does that without the cache and with it. `report` computes what came of it,
`tables` and `screen` show it; `run` is the whole in order, and `command` the command.
"""
