package config_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

// Replicas that decide alike have the same ID and others do not: every field that affects decisions changes the
// ID, and nothing else does.
func TestEveryFieldThatDecidesChangesTheID(t *testing.T) {
	builder := config.NewBuilder(library(t))
	id := func(o config.Objects) string {
		s, _, err := builder.Build(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID()
	}
	base := func() config.Objects {
		return config.Objects{
			Guardrails: []v1alpha1.Guardrail{stored("g", v1alpha1.ModeWarn, binding("image-tag", ""))},
			Exemptions: []v1alpha1.Exemption{{ObjectMeta: metav1.ObjectMeta{Name: "e"}}},
			Policies:   []v1alpha1.Policy{{ObjectMeta: metav1.ObjectMeta{Name: "p"}}},
		}
	}
	was := id(base())
	if again := id(base()); again != was {
		t.Fatalf("the same configuration is %s and %s", was, again)
	}

	later := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	decides := map[string]func(*config.Objects){
		"a Guardrail's name":            func(o *config.Objects) { o.Guardrails[0].Name = "other" },
		"an Exemption's name":           func(o *config.Objects) { o.Exemptions[0].Name = "other" },
		"when an Exemption was created": func(o *config.Objects) { o.Exemptions[0].CreationTimestamp = later },
		"a Policy's name":               func(o *config.Objects) { o.Policies[0].Name = "other" },
		"a Policy's last good spec": func(o *config.Objects) {
			o.Policies[0].Status.LastGood = &v1alpha1.GoodPolicy{Spec: v1alpha1.PolicySpec{Rego: "other"}}
		},
		"since when a Guardrail injects": func(o *config.Objects) { o.Guardrails[0].Status.Injection = &v1alpha1.Injection{SelectionSince: later} },
		"another Guardrail":              func(o *config.Objects) { o.Guardrails = append(o.Guardrails, stored("h", v1alpha1.ModeWarn)) },
		"no Guardrail":                   func(o *config.Objects) { o.Guardrails = nil },
		"no Exemption":                   func(o *config.Objects) { o.Exemptions = nil },
		"no Policy":                      func(o *config.Objects) { o.Policies = nil },
	}
	for kind, spec := range map[string]func(*config.Objects) any{
		"Guardrail": func(o *config.Objects) any { return &o.Guardrails[0].Spec },
		"Exemption": func(o *config.Objects) any { return &o.Exemptions[0].Spec },
		"Policy":    func(o *config.Objects) any { return &o.Policies[0].Spec },
	} {
		fields := reflect.TypeOf(spec(new(base()))).Elem()
		for i := range fields.NumField() {
			decides[kind+" spec."+fields.Field(i).Name] = func(o *config.Objects) { fill(reflect.ValueOf(spec(o)).Elem().Field(i)) }
		}
	}
	ids := map[string]string{was: "nothing"}
	for name, change := range decides {
		o := base()
		change(&o)
		now := id(o)
		if other, taken := ids[now]; taken {
			t.Errorf("with %s changed, the id is that with %s changed", name, other)
		}
		ids[now] = name
	}

	for name, change := range map[string]func(*config.Objects){
		"a Guardrail's label":         func(o *config.Objects) { o.Guardrails[0].Labels = map[string]string{"a": "b"} },
		"a Guardrail's generation":    func(o *config.Objects) { o.Guardrails[0].Generation = 7 },
		"what would have been denied": func(o *config.Objects) { o.Guardrails[0].Status.WouldDeny = &v1alpha1.WouldDeny{Requests: 1} },
		"what an Exemption excuses":   func(o *config.Objects) { o.Exemptions[0].Status.Excuses = &v1alpha1.Excuses{Findings: 1} },
		"a Policy's last failure":     func(o *config.Objects) { o.Policies[0].Status.LastFailure = &v1alpha1.EvaluationFailure{Message: "m"} },
		"a last good spec that is the spec": func(o *config.Objects) {
			o.Policies[0].Status.LastGood = &v1alpha1.GoodPolicy{Generation: 3, Spec: o.Policies[0].Spec}
		},
	} {
		o := base()
		change(&o)
		if now := id(o); now != was {
			t.Errorf("%s decides nothing, but changes the id", name)
		}
	}
	reversed := base()
	reversed.Guardrails = append([]v1alpha1.Guardrail{stored("z", v1alpha1.ModeWarn)}, reversed.Guardrails...)
	sorted := base()
	sorted.Guardrails = append(sorted.Guardrails, stored("z", v1alpha1.ModeWarn))
	if id(reversed) != id(sorted) {
		t.Error("the order in which objects are read changes the id")
	}
}

// fill sets a field to a value that differs from the base.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case apiextensionsv1.JSON:
		v.Set(reflect.ValueOf(apiextensionsv1.JSON{Raw: []byte(`{"a":1}`)}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("filled")
	case reflect.Int64:
		v.SetInt(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("filled").Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.Struct:
		fill(v.Field(0))
	default:
		panic(fmt.Sprintf("%s has no value for a %s", v.Type(), v.Kind()))
	}
}
