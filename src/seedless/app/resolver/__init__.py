"""Operations on servers: log in, push, pull, prune and delete."""
