"""The offline ceremony: the one walk, with a gap in it. A request goes in, a result comes out."""
