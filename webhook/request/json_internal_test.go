package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/test/corpus"
	"taffrail.dev/webhook/decision"
)

// read reads a body and nothing that is derived from its object.
func read(body string) (*decision.Request, error) {
	a := admissionReader{scanner: &scanner{text: body}, unfinished: takeUnfinished(), request: &decision.Request{}, tooLong: len(body) > MaxBytes}
	defer a.release()
	err := a.read()
	return a.request, err
}

// sameAsReference holds that a body is read as by another decoder, or refused for the same reason.
func sameAsReference(t *testing.T, body string) {
	t.Helper()
	got, gotErr := read(body)
	want, wantErr := referenceReview([]byte(body))
	if reason(gotErr) != reason(wantErr) {
		t.Fatalf("%q:\ngot  %T %v\nwant %T %v", abridged(body), gotErr, gotErr, wantErr, wantErr)
	}
	if _, malformed := errors.AsType[*MalformedError](gotErr); malformed {
		return // and what has been read until then is of no use
	}
	readAll(got.Object)
	readAll(got.OldObject)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n%s", abridged(body), cmp.Diff(want, got))
	}
}

// readAll reads what was left unread of an object.
func readAll(object map[string]any) {
	metadata, _ := object["metadata"].(map[string]any)
	if unread, ok := metadata["managedFields"].(*decision.Unread); ok {
		metadata["managedFields"] = unread.Value()
	}
}

// reason does not tell one fault of a JSON text from another: both are described by jsontext, which
// has several names for some.
func reason(err error) string {
	text := fmt.Sprintf("%T %v", err, err)
	if strings.Contains(text, "jsontext: ") || strings.HasSuffix(text, "EOF") {
		return fmt.Sprintf("%T: not JSON", err)
	}
	return text
}

func abridged(text string) string {
	if len(text) > 500 {
		return text[:400] + "…" + text[len(text)-80:]
	}
	return text
}

// reviewOf is a review with an object, and something before and after it.
func reviewOf(object string) string {
	return `{"kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"UPDATE","options":` + object +
		`,"userInfo":{"username":"a","extra":` + object + `},"object":` + object + `,"oldObject":` + object + `}}`
}

func TestValuesAreReadAsAnotherDecoderReadsThem(t *testing.T) {
	for _, value := range []string{
		"", " ", "n", "null", "nulls", "nul", "true", "tru", "truex", "false", "fals", "7", "x", "'", "[", "]", "{", "}", ",", ":", "\x00", "\ufeff{}",
		"0", "-0", "-", "00", "01", "-01", "1.", "1.5", ".5", "1.e1", "1e", "1e+", "1e5", "1E-5", "-1.25e+2", "+1", "0x1", "1_0", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "1e308", "1e309", "-1e309", "1e-400", "Infinity", "NaN", "1 2", "1,2",
		`""`, `"a"`, `"`, `"a`, `"\`, `"\"`, `"\""`, `"\\"`, `"\/\b\f\n\r\t"`, `"\a"`, `"\u"`, `"\u12"`, `"\u00e9"`, `"\u00G9"`, `"\uABCD\uabcd"`, `"\u0000"`,
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\ud83dx"`, `"\ud83d\`, `"é"`, `"日本語"`, `"😀"`, "\"\xff\"", "\"a\xc3\"", "\"\xed\xa0\x80\"", "\"\xf8\"",
		"\"\x7f\"", "\"\x1f\"", "\"\n\"", "\"\t\"", `"1234567"`, `"12345678"`, `"123456789012345"`, `"12345678é"`, `"1234567\n"`, "\"1234567\x01\"", "\"é\x01234567\"", "\"\\u00e9\xff\"",
		"[]", "[ ]", "[1]", "[1,]", "[,1]", "[1,2", "[1 2]", "[1,[2,[3,[]]]]", "[\n1\t,\r2 ]", "[1}", `["a":1]`, "[]]",
		"{}", "{ }", `{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1,"b":2}`, ` { "a" : 1 , "b" : [ ] } `, `{"a":1]`, `{"a":{"b":{"c":{}}}}`,
		`{"a":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `{"x":{"a":1,"\u0061":2}}`, `{"x":{"a":1,"A":2}}`, `{"x":{"a":1e999,"b":1,"b":2}}`, `{"x":{"b":1,"b":2,"a":1e999}}`, `{"x":[{"a":{"b":1,"b":2},"a":3}]}`,
		"{\"x\":{\"a\xff\":1,\"a\xfe\":2}}", `{"":1}`, `{"x":{"":1,"":2}}`, `{"é":1}`,
	} {
		sameAsReference(t, value)
		sameAsReference(t, reviewOf(value))
		sameAsReference(t, reviewOf(`{"x":`+value+`}`))
		sameAsReference(t, reviewOf(`{"x":[0,`+value+`,"y"]}`))
		sameAsReference(t, strings.Replace(reviewOf("{}"), `"u"`, value, 1))
		sameAsReference(t, strings.Replace(reviewOf("{}"), `{"group":"","version":"v1","kind":"Pod"}`, value, 1))
		sameAsReference(t, reviewOf("{}")+value)
	}
}

// Names are compared with one another up to a number of members, and looked up from there on.
func TestMembersOfEveryNumberAreRead(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, maxCompared - 1, maxCompared, maxCompared + 1, maxCompared + 2, 4*maxCompared + 1, 1000} {
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf(`"name-%d":{"v":[%d,{}]}`, i, i)
		}
		sameAsReference(t, reviewOf(`{"x":{`+strings.Join(members, ",")+`}}`))
		for _, twice := range []int{0, n / 2, n - 1} {
			all := strings.Join(members, ",") + fmt.Sprintf(`,"name-%d":7,"last":8`, twice)
			sameAsReference(t, reviewOf(`{"x":{`+all+`}}`))
			sameAsReference(t, reviewOf(`{`+all+`}`))
		}
	}
}

func TestDepthIsLimitedAsByAnotherDecoder(t *testing.T) {
	for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
		for _, levels := range []int{MaxDepth - 2, MaxDepth - 1, MaxDepth, maxSkippedDepth - 3, maxSkippedDepth - 2, maxSkippedDepth - 1, maxSkippedDepth + 1} {
			value := strings.Repeat(pair[0], levels) + "{}" + strings.Repeat(pair[1], levels)
			sameAsReference(t, `{"x":`+value+`,"request":{"uid":"u","object":{"a":1}}}`)
			sameAsReference(t, `{"request":{"options":`+value+`,"object":{"a":1}}}`)
			sameAsReference(t, `{"request":{"userInfo":{"x":`+value+`},"object":{"a":1}}}`)
			sameAsReference(t, `{"request":{"userInfo":{"groups":`+value+`},"object":{"a":1}}}`)
			sameAsReference(t, `{"request":{"uid":"u","object":`+value+`}}`)
		}
	}
}

// Every object that the repository holds is read the same, whatever is damaged of it.
func TestDamagedReviewsAreReadAsByAnotherDecoder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, object := range corpus.Objects(t, "../..") {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		whole := reviewOf(string(text))
		sameAsReference(t, whole)
		for range 20 {
			damaged := []byte(whole)
			at := random.IntN(len(damaged))
			switch random.IntN(3) {
			case 0:
				damaged = damaged[:at]
			case 1:
				damaged[at] = "{}[]\",:\\ 0e-\x00\xff\xc3n"[random.IntN(16)]
			case 2:
				end := min(len(damaged), at+random.IntN(40))
				damaged = append(damaged[:at:at], damaged[end:]...)
			}
			sameAsReference(t, string(damaged))
		}
	}
}

// What is left unread of an object is read the same by whoever asks, and refused for the same reasons.
func TestManagedFieldsAreReadByWhoAsks(t *testing.T) {
	managed := func(value string) string {
		return reviewOf(`{"metadata":{"name":"x","managedFields":` + value + `,"uid":"y"},"spec":{}}`)
	}
	for _, value := range []string{
		`[]`, `[ ]`, ` [{"manager":"a","fieldsV1":{"f:x":{".":{},"f:y":{}}}}, 1.5, "\u00e9", null] `, `null`, `{}`, `"x"`, `7`, `[1,2,2e999]`, `[{"a":1,"a":2}]`,
		`[`, `[1`, `[1,]`, `[{]`, `[{"a"}]`, `[}`, `[nul]`, "[\"\xff\"]", `{"a":1,"a":2}`, `2e999`,
		strings.Repeat("[", MaxDepth-2) + strings.Repeat("]", MaxDepth-2), strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1), strings.Repeat("[", MaxDepth),
	} {
		sameAsReference(t, managed(value))
	}
	sameAsReference(t, reviewOf(`{"metadata":{"managedFields":[1],"managedFields":[2]}}`))
	sameAsReference(t, reviewOf(`{"spec":{"managedFields":[{"a":1,"a":2}]},"metadata":{"x":{"managedFields":[{"a":1,"a":2}]}},"managedFields":[{"a":1}]}`))

	got, err := read(managed(`[{"manager":"kubectl","n":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	unread, ok := got.Object["metadata"].(map[string]any)["managedFields"].(*decision.Unread)
	if want := []any{map[string]any{"manager": "kubectl", "n": int64(1)}}; !ok || !reflect.DeepEqual(unread.Value(), want) {
		t.Errorf("got %+v", got.Object)
	}
	if text, err := json.Marshal(got.Object); err != nil || string(text) != `{"metadata":{"managedFields":[{"manager":"kubectl","n":1}],"name":"x","uid":"y"},"spec":{}}` {
		t.Errorf("got %s, %v", text, err)
	}
}

// FuzzJSON holds that any body is read as by another decoder.
func FuzzJSON(f *testing.F) {
	f.Add(reviewOf(`{"a":[1,{"b":"\u00e9"}],"a":null}`))
	f.Add(reviewOf(`{"metadata":{"managedFields":[{"a":1,"a":2}],"name":"x"}}`))
	f.Add(reviewOf("{\"a\":{\"b\":-1.5e3,\"b\":\"\xff\"}}"))
	f.Fuzz(func(t *testing.T, body string) {
		sameAsReference(t, body)
		sameAsReference(t, reviewOf(body))
	})
}
