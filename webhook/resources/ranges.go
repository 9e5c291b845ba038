package resources

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// limitRange is a LimitRange in the form needed for prediction.
type limitRange struct {
	by string
	// defaults apply to each container. If there are several Container items, the last one
	// wins.
	defaults corev1.ResourceRequirements
	items    []item
}

// item is one entry of spec.limits.
type item struct {
	limitType corev1.LimitType
	// bounds are sorted by kind and resource.
	bounds []bound
}

// readRanges sorts by name, so that a prediction does not depend on the order of the list.
func readRanges(ranges []*corev1.LimitRange) []limitRange {
	if len(ranges) == 0 {
		return nil
	}
	read := make([]limitRange, 0, len(ranges))
	for _, r := range sortedByName(ranges) {
		read = append(read, readRange(r))
	}
	return read
}

// sortedByName omits nil.
func sortedByName[T any, P interface {
	*T
	GetName() string
}](objects []P) []P {
	objects = slices.DeleteFunc(slices.Clone(objects), func(object P) bool { return object == nil })
	slices.SortStableFunc(objects, func(a, b P) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return objects
}

func readRange(r *corev1.LimitRange) limitRange {
	read := limitRange{by: "LimitRange/" + r.Name, items: make([]item, 0, len(r.Spec.Limits))}
	for i := range r.Spec.Limits {
		limit := defaultItem(r.Spec.Limits[i])
		switch limit.Type {
		case corev1.LimitTypeContainer:
			read.defaults.Requests = overlaid(read.defaults.Requests, limit.DefaultRequest)
			read.defaults.Limits = overlaid(read.defaults.Limits, limit.Default)
		case corev1.LimitTypePod:
		default: // items for PersistentVolumeClaims do not apply to Pods
			continue
		}
		it := item{limitType: limit.Type}
		it.bounds = appendBounds(it.bounds, boundMin, limit.Min)
		it.bounds = appendBounds(it.bounds, boundMax, limit.Max)
		it.bounds = appendBounds(it.bounds, boundRatio, limit.MaxLimitRequestRatio)
		read.items = append(read.items, it)
	}
	return read
}

// defaultItem applies the defaults of the API server's decoder (SetDefaults_LimitRangeItem) to
// a LimitRange that may come from a file. It is idempotent.
func defaultItem(limit corev1.LimitRangeItem) corev1.LimitRangeItem {
	limit.Min, limit.Max = rounded(limit.Min), rounded(limit.Max)
	limit.Default, limit.DefaultRequest = rounded(limit.Default), rounded(limit.DefaultRequest)
	limit.MaxLimitRequestRatio = rounded(limit.MaxLimitRequestRatio)
	if limit.Type == corev1.LimitTypeContainer {
		limit.Default = withMissing(limit.Default, limit.Max)
		limit.DefaultRequest = withMissing(limit.DefaultRequest, limit.Default)
		limit.DefaultRequest = withMissing(limit.DefaultRequest, limit.Min)
	}
	return limit
}

func overlaid(list, over corev1.ResourceList) corev1.ResourceList {
	if len(list) == 0 {
		return over
	}
	list = maps.Clone(list)
	maps.Copy(list, over)
	return list
}

func appendBounds(bounds []bound, kind string, list corev1.ResourceList) []bound {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		bounds = append(bounds, bound{kind: kind, resource: name, value: list[name]})
	}
	return bounds
}
