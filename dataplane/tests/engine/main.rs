//! The whole process, as a child, over captures: order, sums and memory on
//! every mix of computes, cores and roles.

mod chain;
mod order;
mod sa;
