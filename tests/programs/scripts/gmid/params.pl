#!/usr/bin/env perl
# Parameters as CGI.pm has them, which sees none unless the method is GET or HEAD; it is no part of Perl any more.
use strict;
use warnings;

sub params {
    my %found;
    return %found unless ($ENV{REQUEST_METHOD} // '') =~ /^(?:GET|HEAD)$/;
    for my $pair (split /[&;]/, $ENV{QUERY_STRING} // '') {
        my ($name, $value) = map { my $text = $_ // ''; $text =~ tr/+/ /; $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; $text }
            split(/=/, $pair, 2);
        push @{ $found{$name} }, $value // '';
    }
    return %found;
}

my %params = params();
if (!%params) {
    print "10 name=...&name=...\r\n";
    exit;
}
print "20 text/gemini\r\n";
print "* $_: ", join(', ', @{ $params{$_} }), "\n" for sort keys %params;
