"""Services on NATS: they answer logins and issue jwts, as long as they run. Requires the extra `serve`."""
