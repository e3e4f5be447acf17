//! What the node answers over HTTP and WebSocket.
