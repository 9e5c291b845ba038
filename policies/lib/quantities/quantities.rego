# METADATA
# title: Quantities
# description: Amounts of memory and storage as people write them.
package taffrail.lib.quantities

# METADATA
# title: Describes an amount of bytes that is below 1 KiB
# description: >-
#   Undefined for other amounts. In every quantity, m stands for thousandths, and people who know it from CPU write 128m
#   for 128Mi. 0 is not checked: it is a way to set none.
too_few_bytes(field, given) := sprintf("%s is %v, which is %v %s: use a unit such as %s%s", [
	field, given, size, noun(size),
	digits, meant(digits),
]) if {
	[_, digits, unit] := regex.find_all_string_submatch_n(
		`^\+?([0-9]{0,12}\.?[0-9]{0,12})([mun]?)$`,
		sprintf("%v", [given]), 1,
	)[0]
	regex.match(`[0-9]`, digits)
	size := to_number(concat("", ["0", digits])) / parts[unit]
	size > 0
	size < 1024
}

parts := {"": 1, "m": 1000, "u": 1000000, "n": 1000000000}

noun(size) := "byte" if {
	size == 1
} else := "bytes"

# METADATA
# title: The unit that was probably meant
meant(digits) := "Gi" if {
	regex.match(`^0?\.`, digits)
} else := "Mi"
