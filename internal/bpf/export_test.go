package bpf

// What the tests outside of the package need to see of it.
const (
	AggregateBuffer = aggregateBuffer
	DrainTime       = drainTime
)

// The wire types that are not generated.
type (
	WireOutcomes    = wireOutcomes
	WireSocketOwner = wireSocketOwner
)

// Decoder returns what the program's reader does to each sample.
func (p *Program) Decoder() func(sample []byte) (BPFEvent, error) {
	headers := newHeaderDecoder(p.session.Clock)
	return func(sample []byte) (BPFEvent, error) { return p.decode(headers, sample) }
}
