package sandbox

import (
	"regexp/syntax"
	"unicode/utf8"
)

// PatternSize returns about how many instructions a regular expression has.
func PatternSize(re *syntax.Regexp) int {
	total := 1
	for _, sub := range re.Sub {
		total = plus(total, PatternSize(sub))
	}
	switch re.Op {
	case syntax.OpLiteral:
		total = plus(total, len(re.Rune))
	case syntax.OpCharClass:
		total = plus(total, len(re.Rune)/8)
	case syntax.OpRepeat:
		total = plus(0, times(total, max(re.Min, re.Max, 1)))
	default:
	}
	return total
}

// LongestMatch returns the length in bytes of the longest match, or a negative number if it has no limit.
func LongestMatch(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return utf8.UTFMax * len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpStar, syntax.OpPlus:
		return -1
	case syntax.OpRepeat:
		sub := LongestMatch(re.Sub[0])
		if sub < 0 || re.Max < 0 {
			return -1
		}
		return plus(0, times(sub, re.Max))
	case syntax.OpConcat, syntax.OpAlternate, syntax.OpCapture, syntax.OpQuest:
		total := 0
		for _, sub := range re.Sub {
			longest := LongestMatch(sub)
			if longest < 0 {
				return -1
			}
			if re.Op == syntax.OpAlternate {
				total = max(total, longest)
			} else {
				total = plus(total, longest)
			}
		}
		return total
	default:
		return 0
	}
}
