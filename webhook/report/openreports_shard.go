package report

const (
	// maxResults and maxResultBytes keep a report below 500 results and 256 KiB with its metadata: etcd
	// rejects objects of more than 1.5 MiB, and whoever watches reports reads each of them again with
	// every change.
	maxResults     = 499
	maxResultBytes = 250 << 10
)

// shard has the items of one report.
type shard struct {
	// suffix is appended to the name of the first report.
	suffix string
	items  []reportItem
}

// shards divides items, which are sorted by key, by the bits of their keys from a depth on, until
// each part fits in a report. It depends on nothing but the items, and divides only what is too large:
// one more finding changes one report, or replaces one by two.
func shards(items []reportItem, bits string, depth int) []shard {
	if fits(items) || depth == 8*len(items[0].key) {
		suffix := ""
		if bits != "" {
			suffix = "-" + bits
		}
		return []shard{{suffix, items}}
	}
	middle := 0
	for middle < len(items) && !items[middle].bit(depth) {
		middle++
	}
	var all []shard
	for _, half := range []struct {
		bit   string
		items []reportItem
	}{{"0", items[:middle]}, {"1", items[middle:]}} {
		if len(half.items) > 0 {
			all = append(all, shards(half.items, bits+half.bit, depth+1)...)
		}
	}
	return all
}

func fits(items []reportItem) bool {
	size := 0
	for i := range items {
		size += items[i].size
	}
	return len(items) <= maxResults && size <= maxResultBytes
}

// bit returns a bit of the key, the highest first.
func (i *reportItem) bit(n int) bool { return i.key[n/8]>>(7-n%8)&1 == 1 }
