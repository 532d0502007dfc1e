#!/usr/bin/awk -f
# A page about a file beside the script: Molly Brown says where that is, and has no slash before PATH_INFO.
function fail(text) { printf "51 %s\r\n", text; exit }

BEGIN {
    name = ENVIRON["PATH_INFO"]
    if (name == "")
        name = "sizes.tsv"
    if (name !~ /^[a-z]+\.tsv$/)
        fail("There is no such table")
    path = ENVIRON["SCRIPT_PATH"]
    sub(/[^\/]*$/, name, path)
    FS = "\t"
    while ((status = (getline < path)) > 0) {
        sum[$1] += $2
        order[++count] = $1
    }
    if (status < 0)
        fail("There is no such table")
    printf "20 text/gemini\r\n# %s\n```\n", name
    for (i = 1; i <= count; i++)
        if (order[i] in sum) {
            printf "%-8s%6d\n", order[i], sum[order[i]]
            delete sum[order[i]]
        }
    print "```"
}
