package bpf

// What the tests outside of the package need to see of it.
const (
	AggregateBuffer = aggregateBuffer
	DrainTime       = drainTime
)

// The wire types that are not generated.
type (
	WireOutcomes    = wireOutcomes
	WireMeasures    = wireMeasures
	WireCgroupNames = wireCgroupNames
	WireRowOwner    = wireRowOwner
	WireTally       = wireTally
	WireRunHead     = wireRunHead
	WireCachedHead  = wireCachedHead
	WireProcessRow  = wireProcessRow
	WireAllowance   = wireAllowance
	WireFilterSet   = wireFilterSet
)

// Decoder returns what the program's reader does to each sample.
func (p *Program) Decoder() func(sample []byte) (BPFEvent, error) {
	headers := newHeaderDecoder(p.session)
	return func(sample []byte) (BPFEvent, error) { return p.decode(headers, sample) }
}

// CloseRing closes a running program's ring under its reader, as a kernel that takes it away would.
func CloseRing(p *Program) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object.reader.Close()
}
