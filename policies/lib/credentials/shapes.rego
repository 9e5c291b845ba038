package taffrail.lib.credentials

import future.keywords.not

# METADATA
# title: Values that are known by their shape
# description: The documentation of AWS has keys that end in EXAMPLE, which open nothing.
shaped(text) := {{"name": "", "what": what} |
	some needle, [what, pattern] in shapes
	contains(text, needle)
	some match in regex.find_n(pattern, text, 20)
	not endswith(match, "EXAMPLE")
}

# METADATA
# title: A text that every match holds, what it is, and how it looks
# description: A pattern begins with letters and not with a class wherever it can, which makes it much faster.
shapes := {
	"AKIA": ["an AWS access key", `AKIA[0-9A-Z]{16}\b`],
	"ASIA": ["an AWS access key", `ASIA[0-9A-Z]{16}\b`],
	"PRIVATE KEY": ["a private key", `-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|PGP) )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)*[A-Za-z0-9+/]{16}`],
	"AGE-SECRET-KEY-1": ["a private key", `AGE-SECRET-KEY-1[0-9A-Z]{50}`],
	"eyJ": ["a JSON Web Token", `eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}`],
	"ghp_": ["a GitHub token", `ghp_[A-Za-z0-9]{36}`],
	"gho_": ["a GitHub token", `gho_[A-Za-z0-9]{36}`],
	"ghu_": ["a GitHub token", `ghu_[A-Za-z0-9]{36}`],
	"ghs_": ["a GitHub token", `ghs_[A-Za-z0-9]{36}`],
	"ghr_": ["a GitHub token", `ghr_[A-Za-z0-9]{36}`],
	"github_pat_": ["a GitHub token", `github_pat_[A-Za-z0-9_]{40}`],
	"glpat-": ["a GitLab token", `glpat-[A-Za-z0-9_-]{20}`],
	"glrt-": ["a GitLab token", `glrt-[A-Za-z0-9_-]{20}`],
	"gldt-": ["a GitLab token", `gldt-[A-Za-z0-9_-]{20}`],
	"xox": ["a Slack token", `xox[abeprs]-[0-9A-Za-z-]{10}`],
	"://hooks.slack.com/services/T": ["a Slack webhook", `://hooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]{16}`],
	"sk_live_": ["a Stripe key", `sk_live_[0-9A-Za-z]{16}`],
	"sk_test_": ["a Stripe key", `sk_test_[0-9A-Za-z]{16}`],
	"rk_live_": ["a Stripe key", `rk_live_[0-9A-Za-z]{16}`],
	"AIza": ["a Google API key", `AIza[0-9A-Za-z_-]{35}`],
	"sk-ant-": ["an API key", `sk-ant-[0-9A-Za-z_-]{20}`],
	"sk-proj-": ["an API key", `sk-proj-[0-9A-Za-z_-]{20}`],
	"npm_": ["an npm token", `npm_[A-Za-z0-9]{36}`],
	"pypi-AgE": ["a PyPI token", `pypi-AgE[A-Za-z0-9_-]{30}`],
	"dckr_pat_": ["a Docker token", `dckr_pat_[A-Za-z0-9_-]{20}`],
	"hf_": ["a Hugging Face token", `hf_[A-Za-z0-9]{34}`],
	"SG.": ["a SendGrid key", `SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`],
	"hvs.": ["a Vault token", `hvs\.[A-Za-z0-9_-]{24}`],
	"dop_v1_": ["a DigitalOcean token", `dop_v1_[a-f0-9]{64}`],
	"shpat_": ["a Shopify token", `shpat_[a-fA-F0-9]{32}`],
	"dapi": ["a Databricks token", `dapi[a-f0-9]{32}`],
	`"auths"`: ["a registry's password", `"auth"\s*:\s*"[A-Za-z0-9+/]{6,}={0,2}"`],
}
