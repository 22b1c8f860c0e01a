//! DPDK's virtual devices, with their arguments.

use crate::error::Error;
use crate::names;

/// A device made by DPDK rather than found on a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vdev {
    /// Swallows what is sent.
    Null {
        /// Bytes of the (empty) frames that it receives without end; `None`: it receives nothing.
        receive: Option<u16>,
    },
    /// Receives what is sent to it: one ring.
    Ring,
    /// A kernel TAP interface of that name, made here. One queue.
    Tap {
        /// The interface's name.
        interface: String,
    },
    /// An existing kernel interface through an `AF_PACKET` socket with mapped rings.
    AfPacket {
        /// The interface's name.
        interface: String,
        /// Receive and transmit queues, each.
        queues: u16,
        /// The MTU, in bytes, that its rings are sized for.
        mtu: u16,
    },
    /// An existing kernel interface through `AF_XDP`. Its pool must be
    /// [`FrameAlignment::AfterHeader`](crate::FrameAlignment::AfterHeader) with mbufs of one 4 KiB page at most.
    AfXdp {
        /// The interface's name.
        interface: String,
        /// Receive and transmit queues, each, from the interface's first on.
        queues: u16,
    },
}

impl Vdev {
    /// The driver, which the device's name must begin with.
    pub(crate) fn driver(&self) -> &'static str {
        match self {
            Self::Null { .. } => "net_null",
            Self::Ring => "net_ring",
            Self::Tap { .. } => "net_tap",
            Self::AfPacket { .. } => "net_af_packet",
            Self::AfXdp { .. } => "net_af_xdp",
        }
    }

    /// The driver's arguments.
    pub(crate) fn arguments(&self) -> Result<String, Error> {
        Ok(match self {
            Self::Null { receive: None } => "no-rx=1".to_owned(),
            Self::Null { receive: Some(size) } => format!("size={size}"),
            Self::Ring => String::new(),
            Self::Tap { interface } => format!("iface={}", names::interface(interface)?),
            Self::AfPacket { interface, queues, mtu } => {
                let frame = af_packet_frame(*mtu);
                let block = af_packet_block(frame);
                let interface = names::interface(interface)?;
                format!(
                    "iface={interface},qpairs={queues},blocksz={block},framesz={frame},framecnt={AF_PACKET_FRAMES}"
                )
            }
            Self::AfXdp { interface, queues } => {
                format!("iface={},start_queue=0,queue_count={queues}", names::interface(interface)?)
            }
        })
    }

    /// The kernel interface that must be there already.
    pub(crate) fn existing_interface(&self) -> Option<&str> {
        match self {
            Self::AfPacket { interface, .. } | Self::AfXdp { interface, .. } => Some(interface),
            Self::Null { .. } | Self::Ring | Self::Tap { .. } => None,
        }
    }

    /// The largest MTU, where the driver understates it: `net_af_packet` says 1,500
    /// although its rings decide.
    pub(crate) fn own_max_mtu(&self) -> Option<u16> {
        match self {
            Self::AfPacket { mtu, .. } => Some(*mtu),
            _ => None,
        }
    }
}

/// Slots of each `AF_PACKET` ring.
const AF_PACKET_FRAMES: usize = 512;

/// Bytes of a slot in an `AF_PACKET` ring (packet(7), `TPACKET_V2`): the kernel puts the
/// frame 66 bytes in; 8 bytes are for VLAN tags. The driver demands mbufs that hold
/// all but 32 bytes of a slot.
fn af_packet_frame(mtu: u16) -> usize {
    (usize::from(mtu) + 14 + 8 + 66).next_multiple_of(64).max(2048)
}

/// Bytes of a block of slots: whole pages for the kernel, and no gap at its end, for the
/// driver finds slot `i` at `i` times its size. That is 64 slots at most.
fn af_packet_block(frame: usize) -> usize {
    const PAGE: usize = 4096;
    let slots = PAGE >> frame.trailing_zeros().min(PAGE.trailing_zeros());
    frame * slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PoolConfig;

    #[test]
    fn af_packet_slots_fit_blocks_and_mbufs() {
        for mtu in [576, 1500, 1960, 4000, 9000, 9216] {
            let frame = af_packet_frame(mtu);
            assert!(frame >= usize::from(mtu) + 22 + 66);
            let config = PoolConfig::for_mtu(1, mtu);
            assert!(frame - 32 <= config.max_frame + config.tailroom, "MTU {mtu}");
            let vdev = Vdev::AfPacket { interface: "eth0".into(), queues: 1, mtu };
            let text = vdev.arguments().unwrap();
            let value = |key: &str| -> usize {
                let pair =
                    text.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap();
                pair.parse().unwrap()
            };
            assert_eq!(value("blocksz") % 4096, 0);
            assert_eq!(value("blocksz") % value("framesz"), 0);
            // The kernel demands that slots fill the blocks.
            assert_eq!(value("framecnt") % (value("blocksz") / value("framesz")), 0);
        }
    }

    #[test]
    fn arguments_are_what_the_drivers_document() {
        assert_eq!(Vdev::Null { receive: None }.arguments().unwrap(), "no-rx=1");
        assert_eq!(Vdev::Null { receive: Some(64) }.arguments().unwrap(), "size=64");
        assert_eq!(Vdev::Tap { interface: "tap0".into() }.arguments().unwrap(), "iface=tap0");
        let xdp = Vdev::AfXdp { interface: "veth0".into(), queues: 2 };
        assert_eq!(xdp.arguments().unwrap(), "iface=veth0,start_queue=0,queue_count=2");
        assert!(Vdev::Tap { interface: "a,b".into() }.arguments().is_err());
    }
}
