package edit

// align pairs the elements of two lists in order. For each element of have it returns the index
// in want, or -1. Equal elements and objects with the same name are paired first. The elements
// between two such pairs are paired by position, which is the usual result of replacing a value.
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
	for _, match := range append(longestCommonSubsequence(have[first:h], want[first:w]), [2]int{h - first, w - first}) {
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

// longestCommonSubsequence returns pairs of indices. It returns nil if the lists are too long, in
// which case elements are paired by position.
func longestCommonSubsequence(have, want []any) [][2]int {
	const limit = 1 << 20
	if len(have)*len(want) > limit {
		return nil
	}
	// lengths[i][j] is the length of the result for have[i:] and want[j:].
	lengths := make([][]int, len(have)+1)
	lengths[len(have)] = make([]int, len(want)+1)
	for i := len(have) - 1; i >= 0; i-- {
		lengths[i] = make([]int, len(want)+1)
		for j := len(want) - 1; j >= 0; j-- {
			lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			if sameElement(have[i], want[j]) {
				lengths[i][j] = max(lengths[i][j], lengths[i+1][j+1]+1)
			}
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < len(have) && j < len(want); {
		switch {
		case sameElement(have[i], want[j]) && lengths[i][j] == lengths[i+1][j+1]+1:
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

// sameElement reports whether two elements are versions of the same one.
func sameElement(a, b any) bool {
	one, _ := a.(map[string]any)
	other, _ := b.(map[string]any)
	if name, ok := one["name"].(string); ok && name == other["name"] {
		return true
	}
	return equal(a, b)
}
