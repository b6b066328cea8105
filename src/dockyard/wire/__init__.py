"""HTTP/1.1 with upgrade and streams, websockets, SPDY frames, TLS and the clock. Knows neither API."""
