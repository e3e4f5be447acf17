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

/// A report, one cache line, of which the harness reads the same bytes as from its `me_report_t`: kind and side in the first word's lower
/// bytes, then sequence number, order id, price, quantity, maker's and taker's id, and a word of padding.
///
/// Its words are put together in pairs, in registers: the harness copies a report in such pairs, and would have to wait for parts.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Report([Pair; 4]);

#[cfg(target_arch = "x86_64")]
type Pair = core::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Pair = [u64; 2];

#[inline]
fn pair(first: u64, second: u64) -> Pair {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has it.
    return unsafe { core::arch::x86_64::_mm_set_epi64x(second as i64, first as i64) };
    #[cfg(not(target_arch = "x86_64"))]
    [first, second]
}

impl Report {
    /// A report on an order.
    #[inline]
    pub fn order(kind: ReportType, sequence: u64, order_id: u64, side: u8, price: i64, quantity: u32) -> Self {
        let head = kind as u64 | u64::from(side) << 8;
        Self([pair(head, sequence), pair(order_id, price as u64), pair(quantity.into(), 0), pair(0, 0)])
    }

    /// A report on a fill, at the maker's price.
    #[inline]
    pub fn trade(sequence: u64, price: i64, quantity: u32, maker: u64, taker: u64) -> Self {
        let head = ReportType::Trade as u64;
        Self([pair(head, sequence), pair(0, price as u64), pair(quantity.into(), maker), pair(taker, 0)])
    }
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
