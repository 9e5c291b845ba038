package edit

// align pairs the elements of two lists, in their order: per element of have the index in
// want, or -1. Equal elements belong together, and objects of one name; what is left
// between two pairs is paired as it comes, since that is how a value gets replaced.
func align(have, want []any) []int {
	pairs := make([]int, len(have))
	first := 0
	for first < len(have) && first < len(want) && equal(have[first], want[first]) {
		pairs[first] = first
		first++
	}
	h, w := len(have), len(want)
	for h > first && w > first && equal(have[h-1], want[w-1]) {
		h--
		w--
		pairs[h] = w
	}
	i, j := first, first
	for _, match := range append(common(have[first:h], want[first:w]), [2]int{h - first, w - first}) {
		nextI, nextJ := first+match[0], first+match[1]
		for ; i < nextI; i++ {
			pairs[i] = -1
			if j < nextJ {
				pairs[i] = j
				j++
			}
		}
		if nextI < h {
			pairs[nextI] = nextJ
		}
		i, j = nextI+1, nextJ+1
	}
	return pairs
}

// common is a longest common subsequence, as pairs of indices. It gives up on what would
// take too long: the elements are then paired as they come.
func common(have, want []any) [][2]int {
	const limit = 1 << 20
	if len(have)*len(want) > limit {
		return nil
	}
	// lengths[i][j] is that of the longest one of have[i:] and want[j:].
	lengths := make([][]int, len(have)+1)
	lengths[len(have)] = make([]int, len(want)+1)
	for i := len(have) - 1; i >= 0; i-- {
		lengths[i] = make([]int, len(want)+1)
		for j := len(want) - 1; j >= 0; j-- {
			lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			if akin(have[i], want[j]) {
				lengths[i][j] = max(lengths[i][j], lengths[i+1][j+1]+1)
			}
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < len(have) && j < len(want); {
		switch {
		case akin(have[i], want[j]) && lengths[i][j] == lengths[i+1][j+1]+1:
			pairs = append(pairs, [2]int{i, j})
			i++
			j++
		case lengths[i+1][j] >= lengths[i][j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// akin tells whether two elements are one, before and after.
func akin(a, b any) bool {
	one, _ := a.(map[string]any)
	other, _ := b.(map[string]any)
	if name, ok := one["name"].(string); ok && name == other["name"] {
		return true
	}
	return equal(a, b)
}
