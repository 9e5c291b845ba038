package credentials

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// shape matches a value by its appearance. Every match begins with a needle, or contains it.
type shape struct {
	detector, what string
	needles        []string
	pattern        *regexp.Regexp
	// lead is how far before the needle a match may begin.
	lead int
	// read replaces pattern for values of any length. It receives the text from the needle on.
	read func(text string) (length int, found bool)
	// isValid is an additional check of a match. It may be nil.
	isValid func(match string) bool
}

var re = regexp.MustCompile

// shapes lists the values that are recognized by their appearance. Keys that end in EXAMPLE come from the
// documentation of AWS and unlock nothing.
var shapes = []shape{
	{"AWS access key", "an AWS access key", []string{"AKIA", "ASIA"}, re(`^A[KS]IA[0-9A-Z]{16}\b`), 0, nil, nil},
	{detector: "private key", what: "a private key", needles: []string{"-----BEGIN "}, read: privateKey},
	{"private key", "a private key", []string{"AGE-SECRET-KEY-1"}, re(`^AGE-SECRET-KEY-1[0-9A-Z]{50}`), 0, nil, nil},
	{"private key", "a private key", []string{"PuTTY-User-Key-File-"}, re(`^PuTTY-User-Key-File-[23]: [a-z0-9-]+\s`), 0, nil, nil},
	{"private key in base64", "a private key in base64", []string{"LS0tLS1CRUdJTi"}, re(`^LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}`), 0, nil, isKey},
	{detector: "JSON Web Token", what: "a JSON Web Token", needles: []string{"eyJ"}, read: webToken},
	{"vendor token", "a GitHub token", []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, re(`^gh[pousr]_[A-Za-z0-9]{36}`), 0, nil, nil},
	{"vendor token", "a GitHub token", []string{"github_pat_"}, re(`^github_pat_[A-Za-z0-9_]{40}`), 0, nil, nil},
	{"vendor token", "a GitLab token", []string{"glpat-", "glrt-", "gldt-", "glptt-", "glcbt-"}, re(`^gl(?:pat|rt|dt|ptt|cbt)-[A-Za-z0-9_-]{20}`), 0, nil, nil},
	{"vendor token", "a Slack token", []string{"xox"}, re(`^xox[abeprs]-[0-9A-Za-z-]{10}`), 0, nil, nil},
	{"vendor token", "a Slack token", []string{"xapp-1-"}, re(`^xapp-1-[0-9A-Z]+-[0-9]+-[0-9a-f]{20}`), 0, nil, nil},
	{"vendor token", "a Stripe key", []string{"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"}, re(`^(?:[sr]k_(?:live|test)_[0-9A-Za-z]{16}|whsec_[0-9A-Za-z+/]{24})`), 0, nil, nil},
	{"vendor token", "a Google API key", []string{"AIza"}, re(`^AIza[0-9A-Za-z_-]{35}`), 0, nil, nil},
	{"vendor token", "a Google OAuth secret", []string{"GOCSPX-"}, re(`^GOCSPX-[0-9A-Za-z_-]{28}`), 0, nil, nil},
	{"vendor token", "an API key", []string{"sk-ant-", "sk-proj-", "sk-svcacct-"}, re(`^sk-(?:ant|proj|svcacct)-[0-9A-Za-z_-]{20}`), 0, nil, nil},
	{"vendor token", "an npm token", []string{"npm_"}, re(`^npm_[A-Za-z0-9]{36}`), 0, nil, nil},
	{"vendor token", "a PyPI token", []string{"pypi-AgE"}, re(`^pypi-AgE[A-Za-z0-9_-]{30}`), 0, nil, nil},
	{"vendor token", "a Docker token", []string{"dckr_pat_"}, re(`^dckr_pat_[A-Za-z0-9_-]{20}`), 0, nil, nil},
	{"vendor token", "a Hugging Face token", []string{"hf_"}, re(`^hf_[A-Za-z0-9]{34}`), 0, nil, nil},
	{"vendor token", "a SendGrid key", []string{"SG."}, re(`^SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`), 0, nil, nil},
	{"vendor token", "a Vault token", []string{"hvs.", "hvb."}, re(`^hv[sb]\.[A-Za-z0-9_-]{24}`), 0, nil, nil},
	{"vendor token", "a DigitalOcean token", []string{"dop_v1_", "doo_v1_"}, re(`^do[op]_v1_[a-f0-9]{64}`), 0, nil, nil},
	{"vendor token", "a Shopify token", []string{"shpat_", "shpss_", "shpca_"}, re(`^shp(?:at|ss|ca)_[a-fA-F0-9]{32}`), 0, nil, nil},
	{"vendor token", "a Databricks token", []string{"dapi"}, re(`^dapi[a-f0-9]{32}`), 0, nil, nil},
	{"vendor token", "a Grafana token", []string{"glsa_", "glc_eyJ"}, re(`^(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_eyJ[A-Za-z0-9+/=]{30})`), 0, nil, nil},
	{"vendor token", "a Linear key", []string{"lin_api_"}, re(`^lin_api_[A-Za-z0-9]{40}`), 0, nil, nil},
	{"vendor token", "an Atlassian token", []string{"ATATT3"}, re(`^ATATT3[A-Za-z0-9_=-]{60}`), 0, nil, nil},
	{"vendor token", "a Terraform token", []string{".atlasv1."}, re(`\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60}`), 14, nil, nil},
	{"vendor token", "a Mailgun key", []string{"key-"}, re(`^key-[0-9a-f]{32}\b`), 0, nil, nil},
	{"vendor token", "a New Relic key", []string{"NRAK-"}, re(`^NRAK-[A-Z0-9]{27}`), 0, nil, nil},
	{"vendor token", "a SonarQube token", []string{"sqp_", "squ_", "sqa_"}, re(`^sq[pua]_[a-f0-9]{40}`), 0, nil, nil},
	{"vendor token", "a Honeycomb key", []string{"hcaik_", "hcbik_", "hcamk_"}, re(`^hc(?:a[im]|bi)k_[a-z0-9]{58}`), 0, nil, nil},
	{"vendor token", "a Ceph key", []string{"AQA", "AQB", "AQC", "AQD"}, re(`^AQ[A-D][A-Za-z0-9+/]{35}==`), 0, nil, isCeph},
	{"vendor token", "a Tailscale key", []string{"tskey-"}, re(`^tskey-[a-z]+-[A-Za-z0-9]{8,}`), 0, nil, nil},
	{"vendor token", "a Telegram token", []string{":AA"}, re(`\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b`), 10, nil, nil},
	{"webhook URL", "a Slack webhook", []string{"://hooks.slack.com/"}, re(`^://hooks\.slack\.com/(?:services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]{16}|workflows/T[0-9A-Z]+/A[0-9A-Z]+/[0-9]+/[0-9A-Za-z]{16}|triggers/[0-9A-Z]+/[0-9]+/[0-9a-f]{16})`), 0, nil, nil},
	{"webhook URL", "a Discord webhook", []string{"/api/webhooks/"}, re(`^/api/webhooks/[0-9]{16,20}/[A-Za-z0-9_-]{40}`), 0, nil, nil},
	{"webhook URL", "a Teams webhook", []string{"webhook.office.com/", "outlook.office.com/webhook/"}, re(`^(?:webhook\.office\.com/webhookb2/|outlook\.office\.com/webhook/)[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{20}`), 0, nil, nil},
	{"webhook URL", "a webhook of Google Chat", []string{"chat.googleapis.com/v1/spaces/"}, re(`^chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]+/messages\?\S*token=[A-Za-z0-9_%-]{16}`), 0, nil, nil},
	{"webhook URL", "a webhook", []string{"hooks.zapier.com/hooks/catch/", "maker.ifttt.com/trigger/", "events.pagerduty.com/integration/", "open.feishu.cn/open-apis/bot/", "open.larksuite.com/open-apis/bot/", "oapi.dingtalk.com/robot/", "qyapi.weixin.qq.com/cgi-bin/webhook/", "api.telegram.org/bot"}, re(`^(?:hooks\.zapier\.com/hooks/catch/[0-9]{4,}/[a-z0-9]{5,}|maker\.ifttt\.com/trigger/\w+/(?:json/)?with/key/[A-Za-z0-9_-]{16}|events\.pagerduty\.com/integration/[0-9a-f]{32}|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/[0-9a-f-]{36}|oapi\.dingtalk\.com/robot/send\?access_token=[0-9a-f]{32}|qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=[0-9a-f-]{36}|api\.telegram\.org/bot[0-9]{8,10}:[A-Za-z0-9_-]{30})`), 0, nil, nil},
	{"URL with a signature", "a URL with a signature", []string{"sig=", "Signature="}, re(`[?&](?:sig|X-Amz-Signature)=[A-Za-z0-9%+/_-]{30}`), 8, nil, nil},
	{detector: "registry's password", what: "a registry's password", needles: []string{`"auth"`, `\"auth\"`}, read: registryAuth},
}

// maxShapes limits how many mentions of a needle are examined.
const maxShapes = 5000

// findShapes finds values by their shape.
func findShapes(t *text) {
	present := needleIn.in(t.raw)
	if len(present) == 0 {
		return
	}
	for i := range shapes {
		s := &shapes[i]
		for _, needle := range s.needles {
			if !present[needle] {
				continue
			}
			for m := mentionsOf(t.raw, needle, maxShapes); m.next(); {
				if s.read != nil {
					length, found := s.read(t.raw[m.at:])
					m.skip(m.at + length)
					if found {
						t.add(Match{Detector: s.detector, What: s.what}, m.at)
					}
					continue
				}
				start := max(0, m.at-s.lead)
				match := s.pattern.FindString(t.raw[start:min(len(t.raw), m.at+700)])
				if match == "" || strings.HasSuffix(match, "EXAMPLE") || s.isValid != nil && !s.isValid(match) {
					continue
				}
				t.add(Match{Detector: s.detector, What: s.what}, m.at)
			}
		}
	}
}

// needleIn finds all needles in one pass, instead of one each.
var needleIn = newClueIndex(allNeedles())

func allNeedles() (all []string) {
	for i := range shapes {
		all = append(all, shapes[i].needles...)
	}
	return all
}

// isCeph reports whether a text is the key of a Ceph client: a type, a time and a length precede its 16 bytes.
func isCeph(encoded string) bool {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && strings.HasPrefix(string(decoded), "\x01\x00") && string(decoded[10:12]) == "\x10\x00"
}

// isKey reports whether a text in base64 is the beginning of a private key in PEM.
func isKey(encoded string) bool {
	encoded = encoded[:min(len(encoded), 60)/4*4]
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && strings.Contains(string(decoded), "PRIVATE KEY")
}
