package pipeline

// CompareWithCronJob is for tests of what no policy of the library reads.
var CompareWithCronJob = compareWithCronJob
