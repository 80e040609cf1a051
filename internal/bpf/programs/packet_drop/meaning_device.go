package packet_drop

const (
	lookAtQdisc   = "tc -s qdisc show; the rate of the link"
	lookAtDrivers = "ip -s link; ethtool -S of the interface; dmesg"
)

// deviceReasons are about devices, their queues and traffic control.
var deviceReasons = map[string]Meaning{
	"TC_EGRESS":                 {ClassLoss, "a filter of traffic control drops what leaves", "tc -s filter show dev DEVICE egress; bpftool net"},
	"TC_INGRESS":                {ClassLoss, "a filter of traffic control drops what comes in", "tc -s filter show dev DEVICE ingress; bpftool net"},
	"TC_CHAIN_NOTFOUND":         {ClassLoss, "a filter of traffic control goes on in a chain that is not there", "tc filter show"},
	"TC_RECLASSIFY_LOOP":        {ClassLoss, "the filters of traffic control go round in circles", "tc filter show"},
	"XDP":                       {ClassLoss, "an XDP program drops it", "ip link; bpftool net"},
	"QDISC_DROP":                {ClassLoss, "the queue of the device is full, or drops on purpose", lookAtQdisc},
	"QDISC_OVERLIMIT":           {ClassLoss, "the queue of the device is full", lookAtQdisc},
	"QDISC_CONGESTED":           {ClassLoss, "the queue drops early, so that senders slow down", lookAtQdisc},
	"QDISC_BURST_DROP":          {ClassLoss, "too much came to the queue of the device at once", lookAtQdisc},
	"CAKE_FLOOD":                {ClassLoss, "CAKE takes its flow for a flood", lookAtQdisc},
	"DUALPI2_STEP_DROP":         {ClassLoss, "it waited longer than DualPI2 allows and cannot be marked", lookAtQdisc},
	"FQ_BAND_LIMIT":             {ClassLoss, "the band of its priority in fq is full", lookAtQdisc},
	"FQ_HORIZON_LIMIT":          {ClassLoss, "it was to be sent too far in the future for fq", "the pacing of the sender (SO_TXTIME); tc -s qdisc show"},
	"FQ_FLOW_LIMIT":             {ClassLoss, "its flow has too much in fq's queue", lookAtQdisc},
	"CPU_BACKLOG":               {ClassLoss, "the queue of the CPU is full: packets come faster than it handles them", "cat /proc/net/softnet_stat; net.core.netdev_max_backlog; RPS"},
	"MACVLAN_BROADCAST_BACKLOG": {ClassLoss, "the queue of broadcasts of macvlan is full", "bcqueuelen of ip -d link; who sends so many"},
	"IPVLAN_MULTICAST_BACKLOG":  {ClassLoss, "the queue of multicasts of ipvlan is full", "the sender of so many multicasts"},
	"SKB_GSO_SEG":               {ClassLoss, "it could not be divided into segments", lookAtDrivers},
	"SKB_BAD_GSO":               {ClassLoss, "what says how to divide it makes no sense", "its maker: a virtual machine, a tap device"},
	"DEV_HDR":                   {ClassLoss, "the header for the device could not be written or read", lookAtDrivers},
	"DEV_READY":                 {ClassLoss, "the device is not up", "ip link"},
	"FULL_RING":                 {ClassLoss, "the ring of the device is full: its reader is too slow", "ip -s link; the process behind the tap device; ethtool -g"},
	"HDR_TRUNC":                 {ClassLoss, "its headers could not be put together", "its maker: a virtual machine, a tap device"},
	"TAP_FILTER":                {ClassCleanup, "the filter of the tap device does not want it", ""},
	"TAP_TXFILTER":              {ClassCleanup, "the filter of the tap device's reader does not want it", ""},
	"VXLAN_INVALID_HDR":         {ClassLoss, "its VXLAN header makes no sense", "the other end of the tunnel"},
	"VXLAN_VNI_NOT_FOUND":       {ClassLoss, "no VXLAN device here has its network identifier", "ip -d link show type vxlan; the other end of the tunnel"},
	"VXLAN_ENTRY_EXISTS":        {ClassLoss, "its address is known elsewhere and may not move", "bridge fdb show; the same hardware address twice"},
	"MAC_INVALID_SOURCE":        {ClassLoss, "its hardware source address can be none: a multicast, or the device's own", "the sender; a loop of bridges"},
	"LOCAL_MAC":                 {ClassLoss, "it came from outside with the hardware address of this host", "a loop of bridges; the same hardware address twice"},
	"NO_TX_TARGET":              {ClassLoss, "the device knows nobody to send it to", "bridge fdb show; the ports of the bond or team"},
	"MAC_IEEE_MAC_CONTROL":      {ClassCleanup, "it is for the link itself, not for a bridge to pass on", ""},
	"BRIDGE_INGRESS_STP_STATE":  {ClassCleanup, "the port of the bridge does not pass on yet, or no more (spanning tree)", ""},
}

// subsystemReasonsOf are the reasons of subsystems, SKB_DROP_REASON_SUBSYS_…. Those of mac80211 are told in the kernel's
// own words.
var subsystemReasonsOf = map[string]Meaning{
	"QDISC_DROP_GENERIC":           {ClassLoss, "the queue of the device drops it", lookAtQdisc},
	"QDISC_DROP_OVERLIMIT":         {ClassLoss, "the queue of the device is full", lookAtQdisc},
	"QDISC_DROP_CONGESTED":         {ClassLoss, "the queue drops early, so that senders slow down", lookAtQdisc},
	"QDISC_DROP_MAXFLOWS":          {ClassLoss, "the queue has no room for one more flow", lookAtQdisc},
	"QDISC_DROP_FLOOD_PROTECTION":  {ClassLoss, "the queue takes its flow for a flood", lookAtQdisc},
	"QDISC_DROP_BAND_LIMIT":        {ClassLoss, "the band of its priority is full", lookAtQdisc},
	"QDISC_DROP_HORIZON_LIMIT":     {ClassLoss, "it was to be sent too far in the future", "the pacing of the sender (SO_TXTIME); tc -s qdisc show"},
	"QDISC_DROP_FLOW_LIMIT":        {ClassLoss, "its flow has too much in the queue", lookAtQdisc},
	"QDISC_DROP_L4S_STEP_NON_ECN":  {ClassLoss, "it waited too long and cannot be marked", lookAtQdisc},
	"OVS_DROP_LAST_ACTION":         {ClassLoss, "the flow of Open vSwitch ends without an output", "ovs-appctl dpctl/dump-flows; ovs-appctl ofproto/trace"},
	"OVS_DROP_ACTION_ERROR":        {ClassLoss, "an action of Open vSwitch failed", "dmesg; ovs-appctl dpctl/dump-flows"},
	"OVS_DROP_EXPLICIT":            {ClassLoss, "a flow of Open vSwitch drops it", "ovs-ofctl dump-flows; ovs-appctl ofproto/trace"},
	"OVS_DROP_EXPLICIT_WITH_ERROR": {ClassLoss, "a flow of Open vSwitch drops it because of an error", "ovs-appctl ofproto/trace; the log of ovs-vswitchd"},
	"OVS_DROP_METER":               {ClassLoss, "a meter of Open vSwitch allows no more", "ovs-ofctl meter-stats"},
	"OVS_DROP_RECURSION_LIMIT":     {ClassLoss, "the actions of Open vSwitch are nested too deeply", "ovs-appctl ofproto/trace"},
	"OVS_DROP_DEFERRED_LIMIT":      {ClassLoss, "too many actions of Open vSwitch wait", "ovs-appctl ofproto/trace"},
	"OVS_DROP_FRAG_L2_TOO_LONG":    {ClassLoss, "its link header is too long for Open vSwitch to divide it", "the MTU of the ports; VLAN tags"},
	"OVS_DROP_FRAG_INVALID_PROTO":  {ClassLoss, "Open vSwitch divides IP packets alone", "the MTU of the ports"},
	"OVS_DROP_CONNTRACK":           {ClassLoss, "connection tracking of Open vSwitch refuses it", "ovs-appctl dpctl/dump-conntrack; net.netfilter.nf_conntrack_max"},
	"OVS_DROP_IP_TTL":              {ClassLoss, "its TTL is used up in Open vSwitch", "a loop of routes"},
}
