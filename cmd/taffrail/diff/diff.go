package diff

import (
	"fmt"
	"slices"
	"strings"
)

// context is how many unchanged lines stand around a change, as diff -u has it.
const context = 3

// line is one line of a diff: kept, removed or added.
type line struct {
	sign byte // ' ', '-' or '+'
	text string
}

// Unified is the diff between two texts under a file's name; empty where they are equal.
// Patch -p0 applies it.
func Unified(name, before, after string) string {
	if before == after {
		return ""
	}
	lines := compare(split(before), split(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	oldLine, newLine := 1, 1
	for start := 0; start < len(lines); {
		first := slices.IndexFunc(lines[start:], func(l line) bool { return l.sign != ' ' })
		if first < 0 {
			break
		}
		first += start
		from, to := max(start, first-context), end(lines, first)
		oldLine, newLine = oldLine+from-start, newLine+from-start
		removed, added := count(lines[from:to], '-'), count(lines[from:to], '+')
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(oldLine, removed), span(newLine, added))
		for _, l := range lines[from:to] {
			b.WriteString(string(l.sign) + l.text)
			if !strings.HasSuffix(l.text, "\n") {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
		oldLine, newLine = oldLine+removed, newLine+added
		start = to
	}
	return b.String()
}

// end is where the hunk ends that begins with a change: where more lines follow
// unchanged than two hunks have around them.
func end(lines []line, change int) int {
	last := change
	for i := change; i < len(lines) && i-last <= 2*context+1; i++ {
		if lines[i].sign != ' ' {
			last = i
		}
	}
	return min(len(lines), last+1+context)
}

// count is how many lines there are on one side.
func count(lines []line, side byte) int {
	n := 0
	for _, l := range lines {
		if l.sign == ' ' || l.sign == side {
			n++
		}
	}
	return n
}

// span is a line number and a length; a side without lines is named by the line above.
func span(line, length int) string {
	switch length {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, length)
}

func split(text string) []string { return slices.Collect(strings.Lines(text)) }

// compare goes from one text to the other in stretches, each by a shortest way.
func compare(before, after []string) []line {
	var lines []line
	for len(before)+len(after) > 0 {
		stretch := advance(before, after)
		lines = append(lines, stretch...)
		before, after = before[count(stretch, '-'):], after[count(stretch, '+'):]
	}
	return lines
}

// advance goes as far as it can with a bounded number of differences, by Myers' greedy
// algorithm: it follows diagonals of equal lines, and takes time and space by the square
// of what differs.
func advance(before, after []string) []line {
	const limit = 500
	n, m := len(before), len(after)
	// reached[limit+1+k] is how far into before the best path on diagonal k (old minus new
	// lines) has come; trail keeps it for each number of differences.
	const middle = limit + 1
	reached := make([]int, 2*middle+1)
	var trail [][]int
	best := 0 // the diagonal that has come furthest
	for d := range limit {
		trail = append(trail, slices.Clone(reached[middle-d-1:middle+d+2]))
		furthest := -1
		for k := -d; k <= d; k += 2 {
			x := reached[middle+k-1] + 1
			if k == -d || k != d && reached[middle+k-1] < reached[middle+k+1] {
				x = reached[middle+k+1]
			}
			for x < n && x-k < m && before[x] == after[x-k] {
				x++
			}
			reached[middle+k] = x
			if x <= n && x-k <= m && 2*x-k > furthest {
				furthest, best = 2*x-k, k
			}
		}
		if furthest == n+m {
			break
		}
	}
	x := reached[middle+best]
	return back(before[:x], after[:x-best], trail)
}

// back walks the trail from where it led.
func back(before, after []string, trail [][]int) []line {
	x, y := len(before), len(after)
	var lines []line
	for d, reached := range slices.Backward(trail) {
		at := func(k int) int { return reached[k+d+1] }
		k := x - y
		previous := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			previous = k + 1
		}
		oldX := at(previous)
		oldY := oldX - previous
		for x > max(oldX, 0) && y > max(oldY, 0) {
			x, y = x-1, y-1
			lines = append(lines, line{' ', before[x]})
		}
		if d == 0 {
			break
		}
		if x > oldX {
			x--
			lines = append(lines, line{'-', before[x]})
		} else {
			y--
			lines = append(lines, line{'+', after[y]})
		}
	}
	slices.Reverse(lines)
	return lines
}
