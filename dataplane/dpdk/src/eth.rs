//! Ethernet devices: made or found, then started with their queues, closed with the last handle.

use std::any::Any;
use std::ffi::CStr;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dpdk_sys::{rte_eth_link, rte_eth_stats, rte_ether_addr};

use crate::device::Device;
use crate::eal::Eal;
use crate::error::{Errno, Error};
use crate::mbuf::PrivateArea;
use crate::names::{c_string, unique};
use crate::pool::PacketPool;
use crate::queue::{RxQueue, TxQueue};
use crate::region::Region;
use crate::vdev::Vdev;

/// Number of a port, as DPDK counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u16);

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What the device counted since it was started. Bytes are those of frames without CRC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets lost because the application was too slow.
    pub rx_missed: u64,
    /// Packets lost because they were broken, or too long for the pool.
    pub rx_errors: u64,
    /// Packets lost because the pool was empty.
    pub rx_no_mbuf: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// How to start a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues; with several, the device spreads flows where it can (RSS).
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors of each receive queue, adjusted to what the device has.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue, adjusted likewise.
    pub tx_descriptors: u16,
    /// Bytes of the longest payload of an Ethernet frame.
    pub mtu: u16,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self { rx_queues: 1, tx_queues: 1, rx_descriptors: 512, tx_descriptors: 512, mtu: 1500 }
    }
}

/// A device that is not started. Dropping it removes it.
pub struct EthDev {
    device: Device,
}

/// A started device. All parts may go to different threads; the device is
/// stopped, closed and removed when the last of them (and no clone of the port) is left.
pub struct Started<P: PrivateArea = ()> {
    /// Asks and tells the device.
    pub port: Port,
    /// Receive queues, by number.
    pub rx: Vec<RxQueue<P>>,
    /// Transmit queues, by number.
    pub tx: Vec<TxQueue<P>>,
}

impl EthDev {
    /// Makes a virtual device.
    ///
    /// # Errors
    /// [`Error::NoSuchInterface`], [`Error::BadName`]; [`Error::Call`] when the driver
    /// refuses (no privilege, interface taken): its reason is in the log.
    pub fn create(eal: &Eal, vdev: &Vdev) -> Result<Self, Error> {
        if let Some(interface) = vdev.existing_interface() {
            let name = c_string("network interface name", interface)?;
            // SAFETY: a valid C string.
            if unsafe { dpdk_sys::hb_interface_index(name.as_ptr()) } == 0 {
                return Err(Error::NoSuchInterface(interface.to_owned()));
            }
        }
        let name = unique(&format!("{}_hb", vdev.driver()));
        let device = Device::plug(eal, "vdev", &name, &vdev.arguments()?, vdev.own_max_mtu())?;
        Ok(Self { device })
    }

    /// Takes a PCI device that [`EalOptions::pci`](crate::EalOptions::pci) named,
    /// `0000:00:03.0`, bound to vfio.
    ///
    /// # Errors
    /// [`Error::Call`] when it is not there or no driver takes it.
    pub fn open_pci(eal: &Eal, address: &str) -> Result<Self, Error> {
        let device = match Device::find(eal, "pci", address, None) {
            // rte_eal_init has probed it.
            Ok(device) => device,
            Err(_) => Device::plug(eal, "pci", address, "", None)?,
        };
        Ok(Self { device })
    }

    /// Configures the device and starts it, promiscuous where it can be. Receive
    /// buffers come from `pool`.
    ///
    /// # Errors
    /// [`Error::TooManyQueues`], [`Error::MtuTooLarge`], [`Error::PoolTooSmall`];
    /// [`Error::Call`] when the driver refuses.
    pub fn start<P: PrivateArea>(
        self,
        config: &PortConfig,
        pool: &PacketPool<P>,
    ) -> Result<Started<P>, Error> {
        let device = self.device;
        let info = device.info()?;
        let mtu = device.check(config, &info, pool.frame_room())?;
        device.configure(config, &info, mtu)?;
        device.set_up_queues(config, pool)?;
        device.check_call("rte_eth_dev_start", |port| {
            // SAFETY: configured, with all its queues.
            unsafe { dpdk_sys::rte_eth_dev_start(port) }
        })?;
        // From here on dropping it stops the device.
        let running =
            Arc::new(Running { device, mapped: Mutex::new(Vec::new()), _pool: Box::new(pool.clone()) });
        running.promiscuous()?;
        Ok(Started {
            rx: (0..config.rx_queues).map(|queue| RxQueue::new(Arc::clone(&running), queue)).collect(),
            tx: (0..config.tx_queues).map(|queue| TxQueue::new(Arc::clone(&running), queue)).collect(),
            port: Port { running },
        })
    }

    /// The device's name in DPDK.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.device.name
    }
}

/// A handle to a started device for everything but packets.
#[derive(Clone)]
pub struct Port {
    running: Arc<Running>,
}

impl Port {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> PortId {
        PortId(self.running.device.port)
    }

    /// Its name in DPDK.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.running.device.name
    }

    /// Its driver's name in DPDK, such as `net_tap`.
    ///
    /// # Errors
    /// [`Error::Call`] when the device has gone.
    pub fn driver(&self) -> Result<String, Error> {
        let info = self.running.device.info()?;
        if info.driver_name.is_null() {
            return Ok(String::new());
        }
        // SAFETY: a static C string of the driver.
        Ok(unsafe { CStr::from_ptr(info.driver_name) }.to_string_lossy().into_owned())
    }

    /// Its MAC address.
    ///
    /// # Errors
    /// [`Error::Call`] when the device has gone.
    pub fn mac(&self) -> Result<MacAddress, Error> {
        let mut address = rte_ether_addr::default();
        self.control("rte_eth_macaddr_get", |port| {
            // SAFETY: `address` is ours.
            unsafe { dpdk_sys::rte_eth_macaddr_get(port, &raw mut address) }
        })?;
        Ok(MacAddress(address.addr_bytes))
    }

    /// Whether the link is up, as last heard.
    ///
    /// # Errors
    /// [`Error::Call`] when the device has gone.
    pub fn link_up(&self) -> Result<bool, Error> {
        let mut link = rte_eth_link::default();
        self.control("rte_eth_link_get_nowait", |port| {
            // SAFETY: `link` is ours.
            unsafe { dpdk_sys::rte_eth_link_get_nowait(port, &raw mut link) }
        })?;
        Ok(link.link_status() != 0)
    }

    /// What the device has counted.
    ///
    /// # Errors
    /// [`Error::Call`] when the device has gone.
    pub fn stats(&self) -> Result<PortStats, Error> {
        let mut raw = rte_eth_stats::default();
        self.control("rte_eth_stats_get", |port| {
            // SAFETY: `raw` is ours.
            unsafe { dpdk_sys::rte_eth_stats_get(port, &raw mut raw) }
        })?;
        Ok(PortStats {
            rx_packets: raw.ipackets,
            rx_bytes: raw.ibytes,
            rx_missed: raw.imissed,
            rx_errors: raw.ierrors,
            rx_no_mbuf: raw.rx_nombuf,
            tx_packets: raw.opackets,
            tx_bytes: raw.obytes,
            tx_errors: raw.oerrors,
        })
    }

    /// Lets the device reach a region by DMA. Needed before a PCI device moves
    /// packets of it; a virtual device takes it without doing anything.
    ///
    /// # Errors
    /// [`Error::Call`] when the memory cannot be pinned or the device has no IOMMU.
    pub fn dma_map(&self, region: &Region) -> Result<(), Error> {
        let info = self.running.device.info()?;
        let base = region.base().as_ptr();
        let mut mapped = self.running.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.device.check_call("rte_dev_dma_map", |_| {
            // SAFETY: the region is registered with these addresses, and kept until it is unmapped.
            unsafe { dpdk_sys::rte_dev_dma_map(info.device, base.cast(), base as u64, region.length()) }
        })?;
        mapped.push(region.clone());
        Ok(())
    }

    /// One control call at a time: drivers do not expect more.
    fn control(&self, call: &'static str, f: impl FnOnce(u16) -> i32) -> Result<(), Error> {
        let _one_at_a_time = self.running.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.device.check_call(call, f)
    }
}

/// A started device; stops it when dropped.
pub(crate) struct Running {
    device: Device,
    /// Regions that the device may reach by DMA. Locked for every control call.
    mapped: Mutex<Vec<Region>>,
    /// Keeps the pool of the receive rings.
    _pool: Box<dyn Any + Send + Sync>,
}

impl Running {
    pub(crate) fn port(&self) -> u16 {
        self.device.port
    }

    /// Asks for every frame, not just those to the device's own address.
    fn promiscuous(&self) -> Result<(), Error> {
        let enabled = self.device.check_call("rte_eth_promiscuous_enable", |port| {
            // SAFETY: a valid port.
            unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) }
        });
        match enabled {
            // Such a device has no address filter.
            Err(Error::Call { errno: Errno::NOT_SUPPORTED, .. }) => Ok(()),
            other => other,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: no queue is left to poll it.
        unsafe { dpdk_sys::rte_eth_dev_stop(self.device.port) };
        let info = self.device.info();
        let mapped = self.mapped.get_mut().unwrap_or_else(PoisonError::into_inner);
        for region in mapped.drain(..) {
            if let Ok(info) = &info {
                let base = region.base().as_ptr();
                // SAFETY: mapped before with these addresses; the device is stopped.
                unsafe {
                    dpdk_sys::rte_dev_dma_unmap(info.device, base.cast(), base as u64, region.length())
                };
            }
        }
    }
}
