package auditlog

import (
	"container/heap"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"time"
)

// Options configures a Log.
type Options struct {
	// Stdin is read for the path "-".
	Stdin io.Reader
	// Until is the time after which writes are left out; zero means no limit.
	Until time.Time
	// Needed reports whether a write of an object is needed in full. Others have only a level, a verb, a time and the
	// object's reference, and are read faster. If nil, all are needed.
	Needed func(*ObjectRef) bool
	// Progress is called from time to time. It may be nil.
	Progress func(*Stats)
}

const (
	// sorted is the time over which writes are sorted. Delivery to a log group is not in order.
	sorted = 5 * time.Minute
	// maxJump is the time between two events of a file above which a third one must confirm it.
	maxJump = time.Hour
	// maxSame limits the memory for writes of the same time.
	maxSame = 10_000
	// maxSorted limits the memory for that, in bytes of events.
	maxSorted = 16 << 20
	// probed is the number of bytes of a file, decompressed, that are read to find out when it begins.
	probed = 64 << 10
	// progressInterval is the number of events after which Progress is called.
	progressInterval = 20_000
)

// Log is an audit log that consists of files.
type Log struct {
	files   []string
	options Options
	stats   Stats
}

// Open returns the log in files, as Find returns them.
func Open(files []string, o Options) *Log { return &Log{files: files, options: o} }

// Stats returns what was read so far. It is complete once Writes has ended.
func (l *Log) Stats() *Stats { return &l.stats }

// Writes returns the completed writes by time. It may be called once. Files that cannot be read are problems in the
// Stats; the others are read.
func (l *Log) Writes() iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		m := &merger{log: l, waiting: l.begins()}
		defer m.stop()
		for {
			e := m.next()
			if e == nil {
				return
			}
			if m.repeats(e) {
				l.stats.Duplicates++
				continue
			}
			if !l.options.Until.IsZero() && e.Completed.After(l.options.Until) {
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// begin is a file and the time of its first event.
type begin struct {
	file string
	at   time.Time
}

// begins returns the files by the times at which they begin, so that only a few need to be open at a time.
func (l *Log) begins() []begin {
	all := make([]begin, len(l.files))
	for i, file := range l.files {
		all[i].file = file
		if len(l.files) > 1 && file != Stdin {
			all[i].at = firstTime(file)
		}
	}
	slices.SortStableFunc(all, func(a, b begin) int { return a.at.Compare(b.at) })
	return all
}

// firstTime returns the earliest time at the beginning of a file, or zero if there is none.
func firstTime(name string) time.Time {
	file, err := os.Open(name)
	if err != nil {
		return time.Time{}
	}
	defer file.Close() //nolint:errcheck // it was only read
	content, closing, err := decompress(file)
	defer func() { closing() }()
	if err != nil {
		return time.Time{}
	}
	var stats Stats
	s := &stream{window: newWindow(io.LimitReader(content, probed)), stats: &stats, users: users{}, emit: func(*Event) bool { return true }}
	s.read()
	return stats.First
}

// source is an open file.
type source struct {
	next func() (*Event, bool)
	stop func()
	// frontier is the latest time of the events that were read.
	frontier time.Time
	// ahead is the time of an event that is much later than the others, until a second one confirms it; zero if there
	// is none.
	ahead time.Time
}

// advanceTo moves the frontier to the time of an event. A clock may have been wrong for a moment, and every write
// after that would be late: a jump counts only if the next event is as late.
func (s *source) advanceTo(at time.Time) {
	switch {
	case !at.After(s.frontier.Add(maxJump)):
		s.ahead = time.Time{}
		if at.After(s.frontier) {
			s.frontier = at
		}
	case s.ahead.IsZero():
		s.ahead = at
	default:
		s.frontier, s.ahead = earlier(s.ahead, at), time.Time{}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// merger sorts the writes of several files by time.
type merger struct {
	log     *Log
	waiting []begin
	open    []*source
	queue   queue
	size    int
	emitted time.Time
	order   int64
	counted int64
	// same has the writes that were completed at the time of the last one.
	same map[identity]struct{}
	last time.Time
}

// identity identifies a write. Delivery to a log group repeats events.
type identity struct {
	auditID, verb string
	object        ObjectRef
}

// repeats reports whether a write was returned before. Writes come by time, and a repeated one has the same time.
func (m *merger) repeats(e *Event) bool {
	if e.AuditID == "" {
		return false
	}
	if len(m.same) == 0 || len(m.same) >= maxSame || !e.Completed.Equal(m.last) {
		m.same, m.last = map[identity]struct{}{}, e.Completed
	}
	id := identity{e.AuditID, e.Verb, e.Object}
	_, found := m.same[id]
	m.same[id] = struct{}{}
	return found
}

// next returns the next write, or nil at the end.
func (m *merger) next() *Event {
	for {
		m.openNext()
		behind := m.behind()
		if len(m.queue) > 0 && (behind == nil || m.size > maxSorted || m.queue[0].event.Completed.Before(m.horizon(behind))) {
			return m.pop()
		}
		if behind == nil {
			return nil
		}
		m.advance(behind)
	}
}

// behind returns the open file that has been read up to the earliest time, or nil if none is open.
func (m *merger) behind() *source {
	if len(m.open) == 0 {
		return nil
	}
	return slices.MinFunc(m.open, func(a, b *source) int { return a.frontier.Compare(b.frontier) })
}

// horizon returns the time before which no more writes are expected.
func (m *merger) horizon(behind *source) time.Time { return behind.frontier.Add(-sorted) }

// openNext opens the files that begin before the writes that are due.
func (m *merger) openNext() {
	for len(m.waiting) > 0 {
		if behind := m.behind(); behind != nil && m.waiting[0].at.After(behind.frontier) {
			return
		}
		file := m.waiting[0]
		m.waiting = m.waiting[1:]
		next, stop := iter.Pull(m.log.events(file.file))
		m.open = append(m.open, &source{next: next, stop: stop, frontier: file.at})
	}
}

// advance reads one write of a file.
func (m *merger) advance(from *source) {
	e, ok := from.next()
	if !ok {
		from.stop()
		m.open = slices.DeleteFunc(m.open, func(s *source) bool { return s == from })
		return
	}
	from.advanceTo(e.Completed)
	m.order++
	m.size += e.Size()
	heap.Push(&m.queue, queued{e, m.order})
}

func (m *merger) pop() *Event {
	next, _ := heap.Pop(&m.queue).(queued)
	m.size -= next.event.Size()
	if next.event.Completed.Before(m.emitted) {
		m.log.stats.OutOfOrder++
	} else {
		m.emitted = next.event.Completed
	}
	if m.counted++; m.counted%progressInterval == 0 && m.log.options.Progress != nil {
		m.log.options.Progress(&m.log.stats)
	}
	return next.event
}

func (m *merger) stop() {
	for _, s := range m.open {
		s.stop()
	}
}

// events returns the writes of one file in the order of the file.
func (l *Log) events(name string) iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		content, closing, err := l.content(name)
		defer func() { closing() }()
		if err != nil {
			l.stats.Unread++
			l.stats.problem(Position{File: displayName(name)}, explained(err))
			return
		}
		l.stats.Files++
		s := &stream{window: newWindow(content), file: displayName(name), stats: &l.stats, needed: l.options.Needed, users: users{}, emit: yield}
		s.read()
	}
}

func displayName(name string) string {
	if name == Stdin {
		return "<stdin>"
	}
	return name
}

func (l *Log) content(name string) (io.Reader, func(), error) {
	reader := l.options.Stdin
	closing := func() {}
	if name != Stdin {
		file, err := os.Open(name)
		if err != nil {
			return nil, closing, err
		}
		reader, closing = file, func() { file.Close() } //nolint:errcheck // it was only read
	}
	content, closeContent, err := decompress(counting{reader, &l.stats.Bytes})
	all := func() { closeContent(); closing() }
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return content, all, err
}

// queued is a write that waits for earlier ones.
type queued struct {
	event *Event
	order int64
}

// queue is a heap of writes by time.
type queue []queued

func (q queue) Len() int { return len(q) }

func (q queue) Less(a, b int) bool {
	if order := q[a].event.Completed.Compare(q[b].event.Completed); order != 0 {
		return order < 0
	}
	return q[a].order < q[b].order
}

func (q queue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }

func (q *queue) Push(x any) {
	next, _ := x.(queued)
	*q = append(*q, next)
}

func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = queued{}
	*q = (*q)[:len(*q)-1]
	return last
}
