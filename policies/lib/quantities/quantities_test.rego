package taffrail.lib.quantities_test

import data.taffrail.lib.quantities
import future.keywords.not

test_too_few_bytes[amount] if {
	some amount, expected in {
		"128m": "128m, which is 0.128 bytes: use a unit such as 128Mi",
		"1500m": "1500m, which is 1.5 bytes: use a unit such as 1500Mi",
		"1000m": "1000m, which is 1 byte: use a unit such as 1000Mi",
		"0.5": "0.5, which is 0.5 bytes: use a unit such as 0.5Gi",
		".5": ".5, which is 0.5 bytes: use a unit such as .5Gi",
		"512": "512, which is 512 bytes: use a unit such as 512Mi",
		"100u": "100u, which is 0.0001 bytes: use a unit such as 100Mi",
	}
	quantities.too_few_bytes("memory", amount) == concat(" ", ["memory is", expected])
}

test_a_number_without_quotes if {
	quantities.too_few_bytes("memory", 128) == "memory is 128, which is 128 bytes: use a unit such as 128Mi"
}

test_enough[name] if {
	some name, amount in {
		"a unit": "128Mi",
		"another unit": "1k",
		"an exponent": "129e6",
		"many thousandths": "128974848000m",
		"1 KiB": "1024",
		"a number": 134217728,
		"nothing": "0",
		"nothing in thousandths": "0m",
		"empty": "",
		"a point": ".",
		"a unit alone": "m",
		"negative": "-1",
		"null": null,
		"false": false,
		"a list": [],
	}
	not quantities.too_few_bytes("memory", amount)
}
