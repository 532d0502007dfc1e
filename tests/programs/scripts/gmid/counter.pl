#!/usr/bin/env perl
# Counts its visits in a file, whichever process comes next.
use strict;
use warnings;
use Fcntl qw(:flock SEEK_SET);

open my $file, '+>>', "$ENV{DATA}/counter" or die "counter: $!";
flock $file, LOCK_EX or die "counter: $!";
seek $file, 0, SEEK_SET;
my $number = (<$file> // 0) + 1;
truncate $file, 0;
print {$file} $number;
close $file or die "counter: $!";
print "20 text/plain\r\n$number\n";
