"""The offline ceremony: the signing pipeline, with a gap in it. A request goes in, a result comes out."""
