//! Network functions one by one, on real mbufs: the CPU halves against what
//! they must do, the GPU halves against the CPU halves.

mod bench;
mod frames;
mod ipsec;
mod marker;
mod nids;
mod router;
mod writing_an_nf;
