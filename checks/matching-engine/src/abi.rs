//! The C interface of the benchmark (its `api/matching_engine_api.h`): messages in, reports out through a queue of the harness.

use core::ffi::c_void;

/// A new order.
#[repr(C)]
pub struct NewOrder {
    pub order_id: u64,
    pub sequence_number: u64,
    pub price_ticks: i64,
    pub quantity: u32,
    pub side: u8,
    pub ioc: u8,
    reserved: [u8; 2],
}

/// A cancel.
#[repr(C)]
pub struct Cancel {
    pub order_id: u64,
    pub sequence_number: u64,
}

/// A cancel and a new order under the same id.
#[repr(C)]
pub struct Modify {
    pub order_id: u64,
    pub sequence_number: u64,
    pub new_price_ticks: i64,
    pub new_quantity: u32,
    pub side: u8,
    reserved: [u8; 3],
}

/// What a report says.
#[repr(u8)]
#[derive(Clone, Copy, Default)]
pub enum ReportType {
    #[default]
    OrderAck = 0,
    Trade = 1,
    CancelAck = 2,
    ModifyAck = 3,
    CancelReject = 4,
    ModifyReject = 5,
}

/// A report, one cache line.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Report {
    pub kind: ReportType,
    pub side: u8,
    pub reserved: [u8; 6],
    pub sequence_number: u64,
    pub order_id: u64,
    pub price_ticks: i64,
    pub quantity: u32,
    pub reserved2: u32,
    pub maker_order_id: u64,
    pub taker_order_id: u64,
    pub reserved3: u64,
}

/// The harness' queue.
#[repr(C)]
pub struct TransportTable {
    create: unsafe extern "C" fn(u32) -> *mut c_void,
    push: unsafe extern "C" fn(*mut c_void, *const Report) -> i32,
    drain: unsafe extern "C" fn(*mut c_void, *mut Report, u32) -> u32,
    flush: unsafe extern "C" fn(*mut c_void),
    destroy: unsafe extern "C" fn(*mut c_void),
}

/// The queue with its handle.
#[derive(Clone, Copy)]
pub struct Transport {
    push: unsafe extern "C" fn(*mut c_void, *const Report) -> i32,
    handle: *mut c_void,
}

impl Transport {
    /// Of what the harness hands over.
    ///
    /// # Safety
    /// `table` and `handle` are those of `engine_init`, and live until `engine_shutdown`.
    pub unsafe fn new(table: *const TransportTable, handle: *mut c_void) -> Self {
        // SAFETY: the caller says that the table lives.
        Self { push: unsafe { (*table).push }, handle }
    }

    /// Hands a report over, waiting while the queue is full.
    #[inline]
    pub fn push(&self, report: &Report) {
        // SAFETY: the function and its handle are of one transport, and one thread pushes.
        while unsafe { (self.push)(self.handle, report) } == 0 {
            core::hint::spin_loop();
        }
    }
}
