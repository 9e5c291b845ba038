package main

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// decideTable compares only the decisions, on requests that are already parsed.
func decideTable(all []sample) error {
	first, err := deciderWith(0, spine...)
	if err != nil {
		return err
	}
	plain, err := deciderWith(0)
	if err != nil {
		return err
	}
	many, err := deciderWith(extraPolicies)
	if err != nil {
		return err
	}
	for _, s := range all {
		req, err := request.Review(s.review, decision.OriginValidating)
		if err != nil {
			return err
		}
		declaredIsEffective(req)
		if found := native(req); len(found) > 0 {
			return fmt.Errorf("the native checks find %v", found)
		}
		d, err := plain.Decide(context.Background(), req)
		if err != nil {
			return err
		}
		if d.Verdict != decision.VerdictAllow || len(d.Findings) > 0 {
			return fmt.Errorf("the policies find %+v", d.Findings)
		}
		fmt.Printf("\ndecide: %s\n", s.Name)
		rows := [][]string{{"step", "time", "× native", "allocs", "KiB"}}
		var base float64
		for _, step := range []struct {
			name string
			run  func()
		}{
			{"native Go checks", func() { native(req) }},
			{"read the AdmissionReview", func() { _, _ = request.Review(s.review, decision.OriginValidating) }},
			{fmt.Sprintf("Taffrail, the first %d policies", len(spine)), func() { _, _ = first.Decide(context.Background(), req) }},
			{"Taffrail, all policies", func() { _, _ = plain.Decide(context.Background(), req) }},
			{fmt.Sprintf("Taffrail, %d more policies", extraPolicies), func() { _, _ = many.Decide(context.Background(), req) }},
		} {
			r := testing.Benchmark(func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					step.run()
				}
			})
			ns := float64(r.T.Nanoseconds()) / float64(r.N)
			if base == 0 {
				base = ns
			}
			rows = append(rows, []string{
				step.name, fmt.Sprintf("%.1fµs", ns/1000), fmt.Sprintf("%.1f", ns/base),
				strconv.FormatInt(r.AllocsPerOp(), 10), fmt.Sprintf("%.1f", float64(r.AllocedBytesPerOp())/1024),
			})
		}
		if err := table(rows); err != nil {
			return err
		}
	}
	return nil
}
