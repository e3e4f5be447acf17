//! Every bound of the servers, in one place.

use std::time::Duration;

/// Every bound of the servers. No queue, request, answer or wait is without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcLimits {
    /// Most bytes of a request's body, or of one WebSocket message.
    pub max_request_bytes: u32,
    /// Most bytes of an answer; of a batch, of all its answers.
    pub max_response_bytes: u32,
    /// Most requests in a batch.
    pub max_batch_requests: u32,
    /// Most connections of a port, HTTP and WebSocket together.
    pub max_connections: u32,
    /// Most requests of one WebSocket connection that are being worked on; what comes on top is answered with -32005.
    pub max_requests_in_flight: usize,
    /// Most calls that execute or read much at the same time, of all connections; others wait.
    pub max_heavy_calls: usize,
    /// How long a call that executes or reads much may take, waiting included.
    pub call_timeout: Duration,
    /// Most gas of `eth_call` and its like.
    pub call_gas_cap: u64,
    /// Most subscriptions of a WebSocket connection.
    pub max_subscriptions_per_connection: u32,
    /// Messages that wait to be written to a WebSocket connection.
    pub websocket_buffer_messages: u32,
    /// Most bytes that wait to be written to a WebSocket connection; an answer that comes on top is replaced by an error.
    pub max_unsent_bytes: u64,
    /// How long a peer may not take anything of what is to be written before its connection is closed.
    pub write_stall_timeout: Duration,
    /// How long a connection may be silent before it is closed; a WebSocket's answers to pings count.
    pub idle_timeout: Duration,
    /// How often a WebSocket is pinged.
    pub ping_interval: Duration,
    /// Most blocks that one `eth_getLogs` may look through.
    pub max_log_blocks: u64,
    /// Most logs that one `eth_getLogs` may find.
    pub max_logs: usize,
    /// Most addresses, or alternatives of one topic, in a logs filter.
    pub max_filter_alternatives: usize,
    /// Most filters.
    pub max_filters: usize,
    /// How long a filter lives without being asked.
    pub filter_timeout: Duration,
    /// Most blocks, transactions or logs that a filter keeps until it is asked; then it is dropped.
    pub max_filter_changes: usize,
    /// Most blocks of one `eth_feeHistory`.
    pub max_fee_history_blocks: u64,
    /// Most slots of one `eth_getProof` or `eth_getStorageValues`.
    pub max_storage_keys: usize,
    /// Most blocks and calls of one `eth_simulateV1`.
    pub max_simulated_blocks: u64,
    /// Most price levels of a side in one answer or stream of the market's book.
    pub max_book_levels: usize,
    /// Most entries of one answer about the market: orders, trades, candles, instruments, accounts.
    pub max_market_entries: usize,
    /// Most bytes of a trace that are kept for one transaction.
    pub max_trace_bytes: usize,
    /// Longest that `eth_sendRawTransactionSync` waits.
    pub max_sync_wait: Duration,
    /// How long `eth_sendRawTransactionSync` waits where the request doesn't say.
    pub default_sync_wait: Duration,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 15 << 20,
            max_response_bytes: 160 << 20,
            max_batch_requests: 1_000,
            max_connections: 500,
            max_requests_in_flight: 128,
            max_heavy_calls: 2 * std::thread::available_parallelism().map_or(2, usize::from),
            call_timeout: Duration::from_secs(30),
            call_gas_cap: 50_000_000,
            max_subscriptions_per_connection: 1_024,
            websocket_buffer_messages: 256,
            max_unsent_bytes: 64 << 20,
            write_stall_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(120),
            ping_interval: Duration::from_secs(30),
            max_log_blocks: 100_000,
            max_logs: 200_000,
            max_filter_alternatives: 1_000,
            max_filters: 10_000,
            filter_timeout: Duration::from_secs(300),
            max_filter_changes: 20_000,
            max_fee_history_blocks: 1_024,
            max_storage_keys: 1_024,
            max_simulated_blocks: 256,
            max_book_levels: 1_000,
            max_market_entries: 10_000,
            max_trace_bytes: 128 << 20,
            max_sync_wait: Duration::from_secs(60),
            default_sync_wait: Duration::from_secs(20),
        }
    }
}
