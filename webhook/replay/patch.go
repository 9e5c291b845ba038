package replay

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"taffrail.dev/webhook/decision"
)

// maxCopied limits what the copy operations of a JSON Patch may add to an object, as in the API server.
const maxCopied = 3 << 20

// applyJSON applies a JSON Patch to the text of an object.
func applyJSON(text []byte, operations jsonpatch.Patch) ([]byte, error) {
	options := jsonpatch.NewApplyOptions()
	options.AccumulatedCopySizeLimit = maxCopied
	return operations.ApplyWithOptions(text, options)
}

// applyPatch applies the patch of a decision to the text of an object.
func applyPatch(text []byte, operations []decision.PatchOperation) ([]byte, error) {
	if len(operations) == 0 {
		return text, nil
	}
	if patched, ok := insertAll(text, operations); ok {
		return patched, nil
	}
	encoded, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(encoded)
	if err != nil {
		return nil, err
	}
	return applyJSON(text, decoded)
}

// webhookPatches is the prefix of the annotations in which the API server keeps the patches of mutating webhooks. Their
// names end in round_<n>_index_<n>.
const webhookPatches = "patch.webhook.admission.k8s.io/"

// webhookPatch is the patch of a mutating webhook.
type webhookPatch struct {
	// own is true for one of Taffrail.
	own        bool
	operations []operation
	patch      jsonpatch.Patch
}

// operation is an operation of a JSON Patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from"`
	Value any    `json:"value"`
}

var errNotJSONPatch = errors.New("not a JSON Patch")

// patchesOf returns the patches of mutating webhooks, in their order.
func patchesOf(annotations map[string]string) (all []webhookPatch, err error) {
	var names []string
	for name := range annotations {
		if strings.HasPrefix(name, webhookPatches) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
	for _, name := range names {
		var annotation struct {
			Webhook   string          `json:"webhook"`
			Patch     json.RawMessage `json:"patch"`
			PatchType string          `json:"patchType"`
		}
		if err := json.Unmarshal([]byte(annotations[name]), &annotation); err != nil {
			return nil, err
		}
		one := webhookPatch{own: strings.HasSuffix(annotation.Webhook, ".taffrail.dev")}
		if annotation.PatchType != "JSONPatch" || json.Unmarshal(annotation.Patch, &one.operations) != nil {
			return nil, errNotJSONPatch
		}
		if one.patch, err = jsonpatch.DecodePatch(annotation.Patch); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// withWebhooks applies the patches of mutating webhooks to an object as it was sent. Those of Taffrail are left out of
// what is decided, because they are decided anew.
func withWebhooks(sent []byte, annotations map[string]string) (decided, stored []byte, err error) {
	patches, err := patchesOf(annotations)
	if err != nil {
		return nil, nil, err
	}
	decided, stored = sent, sent
	differ := false
	for i := range patches {
		p := &patches[i]
		if stored, err = applyJSON(stored, p.patch); err != nil {
			return nil, nil, err
		}
		switch {
		case p.own:
			differ = true
		case !differ:
			decided = stored
		default:
			if decided, err = applyJSON(decided, p.patch); err != nil {
				return nil, nil, err
			}
		}
	}
	return decided, stored, nil
}
