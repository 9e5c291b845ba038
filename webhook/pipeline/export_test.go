package pipeline

// FromCronJob is for tests of what no policy of the library reads.
var FromCronJob = fromCronJob
