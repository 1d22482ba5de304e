"""What a client may do to a connection before anybody knows who it is: how many, how long, how large a head.

Bodies are limited where they are read (`serving.middleware`), since only there it is known who sends them.
"""
